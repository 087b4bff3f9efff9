"""`make study`: the workflow of this folder, watched. Arguments: those of snakemake."""

import sys
from pathlib import Path

from actstudy.contract import checkout, errors

checkout.refuse_other_code(Path.cwd())  # which may lack what follows

from actstudy.analysis import ending  # noqa: E402
from actstudy.commands import driver  # noqa: E402

if __name__ == "__main__":
    sys.stdout.reconfigure(errors="backslashreplace")  # \\u03b2 if the terminal cannot show it
    arguments = sys.argv[1:]
    try:
        sys.exit(driver.main(arguments, ending.make_study(arguments)))
    except errors.StudyError as fault:
        errors.refuse(fault)
    except KeyboardInterrupt:  # while it waits for others
        sys.exit(130)
    except OSError as error:
        errors.refuse(errors.system_fault(error))
