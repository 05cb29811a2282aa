-- In the place of waivers, which another branch has.
SELECT 1;
