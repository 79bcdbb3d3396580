CREATE TABLE IF NOT EXISTS countersign_webhook_delays (
    name      BLOB NOT NULL,
    gun       BLOB NOT NULL,
    role      BLOB NOT NULL,
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
    error     BLOB NOT NULL,
    PRIMARY KEY (name, gun, role)
) WITHOUT ROWID
