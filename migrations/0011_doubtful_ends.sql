-- Whether an attempt that blames the machine rests on what the build itself printed
-- or ended with: it never counts against the machine.
ALTER TABLE attempts ADD COLUMN doubtful BOOLEAN NOT NULL DEFAULT FALSE;
