CREATE TABLE IF NOT EXISTS countersign_overview (
    gun          VARBINARY(1020) NOT NULL,
    revision     BIGINT NOT NULL,
    edition      BIGINT NOT NULL,
    head_version BIGINT NOT NULL,
    head_sum     VARBINARY(32) NOT NULL,
    format       VARBINARY(32) NOT NULL,
    published_at BIGINT NOT NULL,
    computed_at  BIGINT NOT NULL,
    stale_at     BIGINT NOT NULL,
    next_expiry  BIGINT NOT NULL,
    next_role    VARBINARY(1020) NOT NULL,
    health       BIGINT NOT NULL,
    tags         BIGINT NOT NULL,
    signers      BIGINT NOT NULL,
    size         BIGINT NOT NULL,
    detail       LONGBLOB NOT NULL,
    PRIMARY KEY (gun)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC
