"""What can be wrong with a call: ``catalogue`` says what there is, ``ledger`` counts what one call has of it."""

from vonage_sock.call.findings.catalogue import CATALOGUE, Level, Rule
from vonage_sock.call.findings.ledger import Findings

__all__ = ["CATALOGUE", "Findings", "Level", "Rule"]
