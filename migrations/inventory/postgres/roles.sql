CREATE TABLE IF NOT EXISTS countersign_roles (
    gun     BYTEA NOT NULL,
    role    BYTEA NOT NULL,
    version BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    owner   BIGINT NOT NULL,
    PRIMARY KEY (gun, role)
)
