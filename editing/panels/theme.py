"""The house's colours on Gradio's base theme: petrol on paper; system fonts, so that nothing is fetched."""

import gradio as gr

PETROL = gr.themes.Color(
    "#eef8f7",
    "#d3eeeb",
    "#a9dcd8",
    "#79c4bf",
    "#4aa6a2",
    "#277f7c",
    "#1d6c6b",
    "#175656",
    "#124445",
    "#0d3335",
    "#082224",
)
PAPER = gr.themes.Color(
    "#faf8f4",
    "#f3f0ea",
    "#e6e1d8",
    "#d3ccc0",
    "#a9a196",
    "#6f685f",
    "#5c5750",
    "#413e3a",
    "#2a2a2a",
    "#1c1e20",
    "#131517",
)
SANS = ("ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Helvetica", "Arial", "sans-serif")
MONO = ("ui-monospace", "Menlo", "Consolas", "monospace")


def studio_theme() -> gr.themes.Base:
    """The theme, light and dark."""
    theme = gr.themes.Base(
        primary_hue=PETROL,
        secondary_hue=PETROL,
        neutral_hue=PAPER,
        font=SANS,
        font_mono=MONO,
        radius_size=gr.themes.sizes.radius_md,
    )
    return theme.set(
        body_background_fill="*neutral_100",
        body_background_fill_dark="*neutral_950",
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        body_text_color_subdued="*neutral_500",
        block_info_text_color="*neutral_500",
        input_placeholder_color="*neutral_500",
        input_placeholder_color_dark="*neutral_400",
        block_border_width="0px",
        block_label_background_fill="transparent",
        block_label_background_fill_dark="transparent",
        input_background_fill="white",
        input_background_fill_dark="*neutral_900",
        input_border_color="*neutral_300",
        input_border_color_dark="*neutral_700",
        input_border_width="1px",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_dark="*primary_600",
        button_primary_background_fill_hover_dark="*primary_500",
        button_primary_text_color="white",
        button_secondary_background_fill="*neutral_50",
        button_secondary_background_fill_hover="white",
        button_secondary_background_fill_dark="*neutral_800",
        button_secondary_background_fill_hover_dark="*neutral_700",
        button_secondary_border_color="*neutral_300",
        button_secondary_border_color_dark="*neutral_600",
        button_cancel_background_fill="#b3261e",
        button_cancel_background_fill_hover="#8f1d17",
        button_cancel_background_fill_dark="#c2453d",
        button_cancel_text_color="white",
        button_border_width="1px",
        slider_color="*primary_500",
        slider_color_dark="*primary_400",
    )
