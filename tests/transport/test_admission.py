"""Things that are bounded by address: the oldest of the address with most ends, and is found without a search."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from realtime.transport.admission import BoundedByAddress

MOST, IN_ALL = 4, 9
steps = st.lists(
    st.tuples(st.sampled_from(["add", "add", "discard", "renew", "end"]), st.sampled_from("abcde"), st.integers(0, 3)),
    max_size=80,
)


@given(steps)
def test_the_oldest_of_the_address_with_most_ends(plan: list[tuple[str, str, int]]) -> None:
    known: dict[str, list[int]] = {address: [] for address in "abcde"}

    def end(thing: int) -> None:
        (things,) = [each for each in known.values() if thing in each]
        assert things[0] == thing and len(things) == max(map(len, known.values()))
        things.remove(thing)

    bounded = BoundedByAddress[int](MOST, 0.0, end, IN_ALL)
    for now, (step, address, which) in enumerate(plan):
        things, ended = known[address], bounded.ended
        thing = things[which % len(things)] if things else -1
        if step == "add":
            things.append(now)
            bounded.add(now, address, float(now))
        elif step == "end":
            assert bounded.end_oldest() == (bounded.ended > ended)
        elif step == "discard":
            assert bounded.discard(thing, address) == (thing in things)
            things[:] = [each for each in things if each != thing]
        else:
            bounded.renew(thing, address, float(now))
            things.sort(key=thing.__eq__)
        assert len(bounded) == sum(map(len, known.values())) <= IN_ALL
        assert all(len(each) <= MOST for each in known.values())


class Address(str):
    """Counts how often one of them is looked up."""

    __slots__ = ()
    looked_up = 0

    def __hash__(self) -> int:
        Address.looked_up += 1
        return super().__hash__()


def test_what_ends_is_found_without_a_search_through_all_addresses() -> None:
    ended: list[int] = []
    bounded = BoundedByAddress[int](10, 0.0, ended.append, 1_000)
    for number in range(1_000):
        bounded.add(number, Address(f"address {number}"), 0.0)
    before = Address.looked_up
    for number in range(100):
        assert bounded.end_oldest()
        bounded.add(1_000 + number, Address(f"another {number}"), 1.0)
    assert ended == list(range(100))
    assert Address.looked_up - before < 100 * 20, "a few times for each"
