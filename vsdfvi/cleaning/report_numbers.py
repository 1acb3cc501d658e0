"""Numbers as people read them."""

from fractions import Fraction

_SPACE = "\N{NO-BREAK SPACE}"


def percent(part: float, whole: float) -> str:
    """A share in percent, to three digits. Little is never shown as nothing, nor nearly all as all."""
    share = 100 * part / whole if whole else 0.0
    if share in (0, 100):
        text = f"{share:.0f}"
    elif share < 0.001:
        text = f"<{_SPACE}0.001"
    elif 99.9 < share < 100:
        text = f">{_SPACE}99.9"
    else:
        text = f"{share:.{3 if share < 0.1 else 2 if share < 10 else 1}f}"
    return f"{text}{_SPACE}%"


def grouped(number: int) -> str:
    """A whole number, with thin spaces between thousands."""
    return f"{number:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def rounded(number: float) -> str:
    """A positive number to about three digits."""
    return f"{number:.{0 if number >= 100 else 1 if number >= 10 else 2 if number >= 1 else 3}f}"


def counted(number: int, noun: str) -> str:
    """A number of things."""
    return f"{grouped(number)} {noun}{'' if number == 1 else 's'}"


def time_of(frame: int, rate: Fraction | None) -> str:
    """When a frame begins, as hours, minutes, seconds and thousandths; empty where frames have no one rate."""
    if not rate:
        return ""
    thousandths = int(frame * 1000 / rate)
    seconds, thousandths = divmod(thousandths, 1000)
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{thousandths:03d}"


def duration(seconds: float) -> str:
    """A length of time in the units that suit it."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def confidence(value: float | None) -> str:
    """A confidence, 0 to 1, as the record has it; a dash where nothing was traced. No doubt is rounded away."""
    if value is None:
        return "\N{EN DASH}"
    if value in (0, 1):
        return f"{value:.0f}"
    if value < 0.01:
        return f"<{_SPACE}0.01"
    return f">{_SPACE}0.99" if value > 0.99 else f"{value:.2f}"


def nice_ceiling(value: float) -> float:
    """The least of 0.001, 0.002, 0.005, 0.01, ... 50, 100 that is not below a share in percent."""
    step = 1e-3
    while True:
        for factor in (1, 2, 5):
            if value <= (top := round(step * factor, 6)):
                return top
        step *= 10
