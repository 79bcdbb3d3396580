CREATE TABLE IF NOT EXISTS countersign_roles (
    gun     VARBINARY(1020) NOT NULL,
    role    VARBINARY(1020) NOT NULL,
    version BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    owner   BIGINT NOT NULL,
    PRIMARY KEY (gun, role)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC
