// What a page does on its screen and on paper: regions that scroll, dark colours, another width.

const DARK = matchMedia("(prefers-color-scheme: dark)");
const PAINTED = ["fill", "stroke"];
const LIGHT_INK = { "--ink": "#1b2430", "--line": "#d5dce3", "--paper": "#ffffff" }; // as in the style
const WAIT = 200; // ms after the last change of a window's size

/** A region that scrolls is a stop of the keyboard, as long as something of it is out of sight. */
const sizes = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    const region = target.closest(".reach");
    if (!region) continue;
    const isWide = region.scrollWidth > region.clientWidth || region.scrollHeight > region.clientHeight;
    if (isWide) region.setAttribute("tabindex", "0");
    else region.removeAttribute("tabindex");
  }
});

/** Let a region be reached by the keyboard if it scrolls. */
function reachable(region) {
  region.classList.add("reach");
  for (const node of [region, ...region.children]) sizes.observe(node);
  return region;
}

/** Colours of a dark page -> those of paper, in small letters. */
function lightColours(model) {
  const style = getComputedStyle(document.documentElement);
  const pairs = Object.entries(LIGHT_INK).map(([name, light]) => [style.getPropertyValue(name).trim(), light]);
  const others = Object.entries(model.dark).map(([light, dark]) => [dark, light]);
  const levels = model.levels.map(({ light, dark }) => [dark, light]); // last: others may have their dark
  return new Map([...others, ...levels, ...pairs].map(([dark, light]) => [dark.toLowerCase(), light]));
}

/** Figures in the colours of paper, and back when it is printed. */
class Paper {
  constructor(model) {
    this.changed = [];
    if (DARK.matches) this.colours = lightColours(model);
    DARK.addEventListener("change", () => { if (DARK.matches) this.colours = lightColours(model); });
    addEventListener("beforeprint", () => this.on());
    addEventListener("afterprint", () => this.off());
  }

  on() {
    if (!DARK.matches || this.changed.length) return;
    for (const canvas of document.querySelectorAll(".chart canvas")) canvas.classList.add("inverted");
    for (const node of document.querySelectorAll(".chart svg [fill], .chart svg [stroke]")) {
      for (const name of PAINTED) {
        const dark = node.getAttribute(name);
        const light = this.colours.get(dark?.toLowerCase());
        if (!light) continue;
        this.changed.push([node, name, dark]);
        node.setAttribute(name, light);
      }
    }
  }

  off() {
    for (const [node, name, dark] of this.changed) node.setAttribute(name, dark);
    this.changed = [];
    for (const canvas of document.querySelectorAll(".inverted")) canvas.classList.remove("inverted");
  }
}

/** Call a function once a window has another width and keeps it. */
function onWidth(change) {
  let width = innerWidth;
  let timer = null;
  addEventListener("resize", () => {
    clearTimeout(timer);
    timer = setTimeout(() => { if (innerWidth !== width) { width = innerWidth; change(); } }, WAIT);
  });
}
