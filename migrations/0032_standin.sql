-- Stand-in: another branch has this one.
SELECT 1;
