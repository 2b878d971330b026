"""Parts of the click segmenter: cues of the clicks, colour cut, network, and what a click may change."""
