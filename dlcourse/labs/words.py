"""Sentences, and the numbers in them, as a book sets them."""

import re

RAISED = str.maketrans("0123456789-−", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁻")


def typeset(words: str) -> str:
    """1e-05 → 10⁻⁵, 3.2e+04 → 3.2·10⁴, -0.5 → −0.5: no hyphen for a minus, nothing that breaks at a line's end.

    A first word of several letters begins with a capital; a symbol (p = 0.5) stays as it is.
    """
    words = re.sub(r"^[a-z](?=[a-z])", lambda first: first.group().upper(), words)
    words = re.sub(r"\b(\d+(?:\.\d+)?)e([+−-]?)0*(\d+)\b", power_of_ten, words)
    return re.sub(r"(?<![\w)\]⁰-⁹])-(?=\.?\d)", "−", words)


def power_of_ten(found: re.Match[str]) -> str:
    factor, sign, digits = found.groups()
    power = "10" + (sign.replace("+", "") + digits).translate(RAISED)
    return power if factor == "1" else f"{factor}·{power}"
