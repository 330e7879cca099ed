"""Times on the wall."""

from zoneinfo import ZoneInfo

# What people in China mean by a time that names no zone, whatever the installation's own zone is.
CHINA = ZoneInfo("Asia/Shanghai")
