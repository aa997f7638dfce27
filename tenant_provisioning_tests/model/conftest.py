"""How long the properties of the model are looked for."""

from hypothesis import settings

settings.register_profile("house", deadline=None, max_examples=60)  # a busy machine is no mistake
settings.load_profile("house")
