CREATE TABLE IF NOT EXISTS countersign_webhook_delays (
    name      VARBINARY(64) NOT NULL,
    gun       VARBINARY(1020) NOT NULL,
    role      VARBINARY(1020) NOT NULL,
    line      BIGINT NOT NULL,
    part      BIGINT NOT NULL,
    version   BIGINT NOT NULL,
    days      BIGINT NOT NULL,
    expires   BIGINT NOT NULL,
    happened  BIGINT NOT NULL,
    tries     BIGINT NOT NULL,
    failing   BIGINT NOT NULL,
    due       BIGINT NOT NULL,
    parked    BIGINT NOT NULL,
    error     LONGBLOB NOT NULL,
    PRIMARY KEY (name, gun, role)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC
