"""The scenarios by name, in the order they are run."""

from chaos.deliveries import deliveries
from chaos.failpoints import failpoints
from chaos.forgeries import forgeries
from chaos.frame import Scenario
from chaos.kills import kill_nine
from chaos.neighbours import bot_faults, crm_faults
from chaos.nth_call import nth_call_fails
from chaos.outage import outage
from chaos.power import power_cuts
from chaos.reorderings import reorderings
from chaos.replicas import postgres_stops, replica_deliveries, replica_freezes, replica_kills, replica_routing
from chaos.twilio_faults import account_401, ambiguous_creates, commits_after_the_quiet_period, errors_and_storms

SCENARIOS: dict[str, Scenario] = {
    "kill_nine": kill_nine,
    "deliveries": deliveries,
    "reorderings": reorderings,
    "failpoints": failpoints,
    "nth_call_fails": nth_call_fails,
    "power_cuts": power_cuts,
    "ambiguous_creates": ambiguous_creates,
    "commits_after_the_quiet_period": commits_after_the_quiet_period,
    "errors_and_storms": errors_and_storms,
    "account_401": account_401,
    "outage": outage,
    "crm_faults": crm_faults,
    "bot_faults": bot_faults,
    "forgeries": forgeries,
    "replica_kills": replica_kills,
    "replica_freezes": replica_freezes,
    "postgres_stops": postgres_stops,
    "replica_deliveries": replica_deliveries,
    "replica_routing": replica_routing,
}
