-- As the five migrations of Notary 0.7 leave it, so that either program can go on with it. Names of 255
-- characters fit the unique key only in the character set of three octets a character.
CREATE TABLE IF NOT EXISTS tuf_files (
    id         INT(11) NOT NULL AUTO_INCREMENT,
    created_at TIMESTAMP NULL DEFAULT NULL,
    updated_at TIMESTAMP NULL DEFAULT NULL,
    deleted_at TIMESTAMP NULL DEFAULT NULL,
    gun        VARCHAR(255) NOT NULL,
    role       VARCHAR(255) NOT NULL,
    version    INT(11) NOT NULL,
    data       LONGBLOB NOT NULL,
    sha256     CHAR(64) DEFAULT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY gun (gun, role, version),
    KEY sha256 (sha256)
) ENGINE = InnoDB DEFAULT CHARSET = utf8 COLLATE = utf8_general_ci
