-- Signatures of package files by keys that a target accepted when they were stored. They are
-- of files, not of releases: what goes from testing to stable is signed once.
CREATE TABLE signatures (
    file_sha256 TEXT NOT NULL,
    key         TEXT NOT NULL, -- fingerprint of the key, or subkey, that made it
    signature   BLOB NOT NULL, -- an OpenPGP packet
    by          TEXT NOT NULL,
    at          TIMESTAMP NOT NULL,
    PRIMARY KEY (file_sha256, key)
) WITHOUT ROWID;

-- The files of the releases that wait for signatures. State is that of SHA-512 after all
-- bytes of the file, from which a signer goes on without the file.
CREATE TABLE signing_files (
    release_id INTEGER NOT NULL REFERENCES releases (id) ON DELETE CASCADE,
    name       TEXT NOT NULL,
    sha256     TEXT NOT NULL,
    size       INTEGER NOT NULL,
    state      BLOB NOT NULL,
    PRIMARY KEY (release_id, name)
) WITHOUT ROWID;

CREATE INDEX signing_files_sha256 ON signing_files (sha256);
