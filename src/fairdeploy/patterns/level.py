"""The ordered words in which patterns and institutions are described: a greater member is more of the same."""

from __future__ import annotations

from enum import Enum, IntEnum

__all__ = [
    "Contract",
    "Control",
    "DataLocation",
    "Expertise",
    "Fit",
    "Level",
    "PhiHolder",
    "Scalability",
    "SetupTime",
    "Traffic",
]


class Level(IntEnum):
    """How much: of complexity, of upkeep, of money, of growth."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3


class Expertise(IntEnum):
    """What the people who run it can do."""

    BASIC = 1
    INTERMEDIATE = 2
    ADVANCED = 3


class Scalability(IntEnum):
    """How far it grows without being built anew."""

    LIMITED = 1
    MODERATE = 2
    UNLIMITED = 3


class Control(IntEnum):
    """How much of the stack the institution decides about."""

    MINIMAL = 1
    PARTIAL = 2
    FULL = 3


class SetupTime(IntEnum):
    """How long until it runs, counted from when people and machines are there."""

    MINUTES = 1
    HOURS = 2
    DAYS = 3
    WEEKS = 4


class Fit(IntEnum):
    """How well a pattern does something: reuse hardware, burst, recover from a disaster."""

    NONE = 0
    PARTLY = 1
    FULLY = 2


class Traffic(IntEnum):
    """How unevenly it is used."""

    STEADY = 1
    SEASONAL = 2
    BURSTY = 3


class DataLocation(Enum):
    """Where the data is."""

    ON_SITE = "on site"
    PRIVATE = "private"
    SPLIT = "split"
    PROVIDER = "provider"


class Contract(Enum):
    """What the institution already pays for."""

    NOTHING = "nothing"
    PRIVATE_CLOUD = "private cloud"
    PUBLIC_CLOUD = "public cloud"
    DBAAS = "dbaas"


class PhiHolder(Enum):
    """Whose protected health information it is, as HIPAA sees it."""

    COVERED_ENTITY = "covered entity"
    BUSINESS_ASSOCIATE = "business associate"
    NOBODY = "nobody"
