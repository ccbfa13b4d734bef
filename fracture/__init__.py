"""A radiograph in; normal, hairline or displaced, how probable, and why, out.

What lies behind a name is loaded when the name is used; `__init__.pyi` lists the names.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
