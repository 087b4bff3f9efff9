/* What the theme leaves out for keyboards and screen readers: the rank of the captions at the side,
   and a stop at each part of a page that scrolls. */
addEventListener("DOMContentLoaded", () => {
  for (const caption of document.querySelectorAll("p.caption[role=heading]")) {
    caption.setAttribute("aria-level", "2");
  }
  for (const part of document.querySelectorAll("pre, .table-wrapper")) part.tabIndex = 0;
});
