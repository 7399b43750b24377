"""What runs by itself: alerts, tasks and their graphs, on schedules, and the mail that they send."""
