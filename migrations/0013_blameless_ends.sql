-- Whether an attempt's end says nothing against its machine: besides doubtful ones now
-- also those that ended because of another machine, such as a mirror.
ALTER TABLE attempts RENAME COLUMN doubtful TO blameless;

-- Dependencies that were taken for granted: neither the iteration's repository nor the
-- worker's machine has them.
ALTER TABLE attempts ADD COLUMN not_checked TEXT NOT NULL DEFAULT '[]';
