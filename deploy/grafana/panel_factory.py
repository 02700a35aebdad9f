"""Panels of values as profiles name them: one language, and the labels, units and periods of the points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deploy.grafana.dialects import EDGES, Json, Language
from deploy.grafana.i18n import UNITS, point_description
from deploy.grafana.panels import Panel, Text, series, stat
from qilu.contract.profile import DeviceProfile


@dataclass(frozen=True, slots=True)
class PanelFactory:
    """Makes panels in one language; those of the gateways have one series for each edge."""

    language: Language
    profiles: Mapping[str, DeviceProfile]

    def lines(self, profile: str, *points: str, title: Text | None = None, width: int = 8) -> Panel:
        """Values of some points over time, named and measured as the profile says."""
        known = [self.profiles[profile].point(point) for point in points]
        labels = [Text(point.label.text("zh"), point.label.text("en")) for point in known]
        (unit,) = {point.unit for point in known}
        targets = [
            self.language.values(profile, point, str(label) if len(points) > 1 else "")
            for point, label in zip(points, labels, strict=True)
        ]
        unit_name = UNITS.get(unit, f"suffix:{unit}")
        return series(title or labels[0], self.about(profile, *points), unit_name, targets).but(
            width=width, every=2 * max(self.profiles[profile].groups[point.group] for point in known)
        )

    def about(self, profile: str, *points: str) -> Text:
        machine, names = self.profiles[profile].title, ", ".join(points)
        return Text(
            f"{machine.text('zh')}，每台设备一条曲线。点位：{profile}.{names}。",
            f"{machine.text('en')}, one line for each device. Points: {profile}, {names}.",
        )

    def account(self, point: str, title: Text, about: Text, unit: str = "short") -> Panel:
        """What the accounts of each device say, which an edge tells every minute."""
        described = Text(
            f"{about.zh}，每个账期（默认 60 秒）每台设备一个数。点位：collection.{point}。",
            f"{about.en}: one number per device and account, 60 s by default. Point: collection, {point}.",
        )
        return series(title, described, unit, [self.language.values("collection", point)]).but(
            width=6, every=120
        )

    def edge_stat(
        self,
        point: str,
        title: Text,
        unit: str,
        colors: Sequence[tuple[float | None, str]],
        mappings: Sequence[Json] = (),
    ) -> Panel:
        target = self.language.states("gateway", point, EDGES)
        return stat(title, point_description(point), unit, [target], colors=colors, mappings=mappings).but(
            every=20
        )

    def edge_lines(self, point: str, title: Text, unit: str) -> Panel:
        target = self.language.values("gateway", point, whose=EDGES)
        return series(title, point_description(point), unit, [target]).but(every=20)

    def edge_rate(self, point: str, title: Text, per: str, more: Text | None = None) -> Panel:
        about = point_description(point)
        if more is not None:
            about = Text(about.zh + more.zh, f"{about.en} {more.en}")
        target = self.language.rate("gateway", point, per, whose=EDGES)
        return series(title, about, "cps" if per == "s" else "cpm", [target]).but(every=20)
