"""What `penstock doctor` looks at: a file per subject, each saying what it found and how to mend it."""
