"""The charts of a run: drawn on the server as SVG, with their words, tables and figures.

``kinds`` says which there are, ``measured`` reads what they are drawn from; ``series``, ``scales``
and ``drawing`` are the arithmetic; ``chart`` and ``plots`` put them together, ``panels`` and
``of_run`` give them to templates, ``points`` to scripts, ``tables`` to readers of figures.
"""
