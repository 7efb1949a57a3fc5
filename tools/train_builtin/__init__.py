"""How the built-in model is made: draw the data, train four small networks, judge what came out.

The rooms in the order they are used: `world` (what a picture can show, and how it is captioned), `render` (draws it),
`data` (shards on disk), `tokenizer`, `text_encoder`, `vae`, `unet` (the four parts of a Stable Diffusion pipeline),
`assemble` (puts them together), `judge_net` and `judge` (measure it), `sheets` (contact sheets to look at).
"""
