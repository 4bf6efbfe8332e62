"""The Grafana dashboards of the chart, written in Python with Grafana's foundation SDK."""
