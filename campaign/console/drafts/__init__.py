"""The way of a promotion that is not sent yet: list, column, message, checks, controls, test, and sending."""

from campaign.console.drafts.approvals import waiting_for
from campaign.console.drafts.keeping import background
from campaign.console.drafts.routes import routes

__all__ = ["background", "routes", "waiting_for"]
