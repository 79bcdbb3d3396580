CREATE TABLE IF NOT EXISTS countersign_signers (
    gun       BLOB NOT NULL,
    role      BLOB NOT NULL,
    key_id    BLOB NOT NULL,
    algorithm BLOB NOT NULL,
    name      BLOB NOT NULL,
    expires   BIGINT NOT NULL,
    PRIMARY KEY (gun, role, key_id)
) WITHOUT ROWID
