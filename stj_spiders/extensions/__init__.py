"""What accompanies a crawl: AutoThrottle above our own pace, and the line that people watch."""
