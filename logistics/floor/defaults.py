"""The wave rules that a new installation starts from; staff edit them as rows."""

from logistics.models import WaveKind, WaveRule


def install_default_wave_rules() -> None:
    """Give a new installation its rules; does nothing where there are some."""
    if WaveRule.objects.exists():
        return
    WaveRule.objects.bulk_create(
        [
            WaveRule(name="爆品 Hot item", priority=10, kind=WaveKind.HOT, at_least=20, at_most=200),
            WaveRule(name="单品 Single item", priority=20, kind=WaveKind.SINGLE, at_most=100),
            WaveRule(name="多品 Several items", priority=30, kind=WaveKind.MULTI, at_most=20),
        ]
    )
