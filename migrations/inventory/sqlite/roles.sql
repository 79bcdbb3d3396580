CREATE TABLE IF NOT EXISTS countersign_roles (
    gun     BLOB NOT NULL,
    role    BLOB NOT NULL,
    version BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    owner   BIGINT NOT NULL,
    PRIMARY KEY (gun, role)
) WITHOUT ROWID
