"""What became of a campaign: results files, figures, the HTML report."""
