"""Bulk notifications to wallet passes: claimed before they are sent, settled after, never sent twice by the runner's own decision."""
