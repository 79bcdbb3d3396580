CREATE TABLE IF NOT EXISTS countersign_tags (
    gun        VARBINARY(1020) NOT NULL,
    role       VARBINARY(1020) NOT NULL,
    name_start VARBINARY(512) NOT NULL,
    name_sum   VARBINARY(32) NOT NULL,
    name       LONGBLOB NOT NULL,
    digest     VARBINARY(80) NOT NULL,
    length     BIGINT NOT NULL,
    PRIMARY KEY (gun, role, name_start, name_sum)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC
