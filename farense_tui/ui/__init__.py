"""The app's screens, in Textual."""

from farense_tui.compat import keep_figures_whole

keep_figures_whole()
