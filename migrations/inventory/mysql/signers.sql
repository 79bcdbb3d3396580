CREATE TABLE IF NOT EXISTS countersign_signers (
    gun       VARBINARY(1020) NOT NULL,
    role      VARBINARY(1020) NOT NULL,
    key_id    VARBINARY(64) NOT NULL,
    algorithm VARBINARY(32) NOT NULL,
    name      LONGBLOB NOT NULL,
    expires   BIGINT NOT NULL,
    PRIMARY KEY (gun, role, key_id)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC
