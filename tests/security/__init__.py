"""What can be checked about safety without a network: bandit's findings, the installed packages, and who may ask whom."""
