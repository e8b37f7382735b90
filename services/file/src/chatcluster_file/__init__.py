"""Files and thumbnails over an S3 store."""
