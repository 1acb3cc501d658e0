"""What can go wrong, and whose it is to mend."""


class VsdfviError(Exception):
    """Base of everything vsdfvi raises on purpose."""


class SettingError(VsdfviError, ValueError):
    """A setting is outside its range. The text gives its name, the rule and the value."""

    def __init__(self, name: str, rule: str, value: object) -> None:
        super().__init__(f"{name} must be {rule}, got {value!r}")
        self.name = name


class FormatError(VsdfviError, ValueError):
    """A clip or a frame is of a kind that cannot be inpainted."""


class WeightsError(VsdfviError):
    """A weights file is missing or is not what it should be."""


class EngineError(VsdfviError, RuntimeError):
    """The device, the native library or the memory fails. The text says what to change."""
