CREATE TABLE IF NOT EXISTS countersign_signers (
    gun       BYTEA NOT NULL,
    role      BYTEA NOT NULL,
    key_id    BYTEA NOT NULL,
    algorithm BYTEA NOT NULL,
    name      BYTEA NOT NULL,
    expires   BIGINT NOT NULL,
    PRIMARY KEY (gun, role, key_id)
)
