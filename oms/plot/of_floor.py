"""A warehouse that is run on this site, with parcels to pick, print, check and hand over."""

from django.utils.translation import gettext_lazy as _

from inventory.models import Stock, Warehouse
from logistics.floor import gathering
from logistics.floor.defaults import install_default_wave_rules
from logistics.models import PickTask, Wave
from logistics.warehouses.adapters.floor import PROTOCOL
from logistics.warehouses.moving_away import move
from oms.common.models import Connection, SystemKind
from oms.common.work import clock
from oms.plot.registry import WAVE, WAVE_IS_OPEN, Staged, Trouble, register
from oms.plot.world import ACTOR, GOODS, NotStaged, Person, World
from orders.models import SubOrder, SubOrderState
from orders.stock.changes import Change, change_many

CODE = "GZ-OWN"
_BINS = ("A-01-1", "A-02-3", "B-01-2")
# Two or three different goods each, so that they make one wave.
_PARCELS = (
    (Person("plot-floor-1", "关小艺", "13800138131", "体育东路138号金利来大厦1203"), (2, 1, 0)),
    (Person("plot-floor-2", "方舟", "13800138132", "黄埔大道西76号富力盈隆广场2506"), (1, 0, 3)),
    (Person("plot-floor-3", "梁品", "13800138133", "天河东路67号丰兴广场B座901"), (1, 2, 1)),
    (Person("plot-floor-4", "温良玉", "13800138134", "龙口西路213号龙口花苑7栋402"), (0, 1, 1)),
)


def _open_warehouse(world: World) -> Warehouse:
    """A small warehouse of the seller beside its big one, which has just what is to be packed: nothing else comes to
    it by itself."""
    link, _is_new = Connection.objects.get_or_create(
        code=f"floor-{CODE.lower()}",
        defaults={"name": "广州自营前置仓", "kind": SystemKind.WAREHOUSE, "protocol": PROTOCOL},
    )
    house, _is_new = Warehouse.objects.get_or_create(
        code=CODE,
        defaults={
            "name": "广州自营前置仓",
            "merchant": world.seller,
            "kind": Warehouse.Kind.SELF_OPERATED,
            "storage_classes": list(world.house.storage_classes),
            "region": world.house.region,
            "longitude": world.house.longitude,
            "latitude": world.house.latitude,
            "address": "科学大道100号",
            "contact_name": "仓库值班",
            "contact_phone": "020-88880010",
            "daily_capacity": 200,
            "cutoff_same_day": world.house.cutoff_same_day,
            "cutoff_next_day": world.house.cutoff_next_day,
            "connection": link,
        },
    )
    units = [sum(wanted[place] for _person, wanted in _PARCELS) for place in range(len(_BINS))]
    counts = [Change(sku, CODE, on_hand=some) for sku, some in zip(GOODS, units, strict=False)]
    for outcome in change_many(world.seller, counts, actor=ACTOR, everywhere=True):
        if not isinstance(outcome, Stock):
            raise NotStaged(f"{CODE}: {outcome}")
    for sku, place in zip(GOODS, _BINS, strict=False):
        Stock.objects.filter(warehouse=house, sku__code=sku).update(bin=place)
    return house


def _to_pack(world: World) -> Staged:
    orders = [
        world.place(
            f"floor-{place}",
            person,
            days_ago=0.1,
            goods=[(sku, some, "9.90") for sku, some in zip(GOODS, wanted, strict=False) if some],
        )
        for place, (person, wanted) in enumerate(_PARCELS)
    ]
    world.run("book_collected", "review", "split", "allocate")
    # Opened only now, so that it is staff's choice who is sent there.
    house = _open_warehouse(world)
    for part in SubOrder.objects.filter(order__in=orders, state=SubOrderState.ALLOCATED).order_by("pk"):
        move(part.pk, to=house.pk, actor=ACTOR)
    world.run("allocate", "promise", "release", "send_release")
    install_default_wave_rules()
    with clock.skipping_waits():
        gathering.gather()
    world.run("warehouse_facts")
    tasks = PickTask.objects.filter(warehouse_order__sub_order__order__in=orders, wave__isnull=False)
    wave = Wave.objects.filter(pk__in=tasks.values("wave")).order_by("pk").first()
    if wave is None or tasks.filter(wave=wave).count() != len(orders):
        raise NotStaged(f"{len(orders)} parcels are not in one wave of {CODE}")
    return Staged(wave.pk, values={"count": len(orders), "warehouse": house.code, "wave": wave.number})


register(
    Trouble(
        "floor",
        _("%(count)s parcels are to be packed in %(warehouse)s, together in wave %(wave)s."),
        _("Start the wave, print its pick list, scan and weigh each parcel, and hand them over."),
        WAVE,
        ("logistics.check_picktask",),
        WAVE_IS_OPEN,
        _to_pack,
    )
)
