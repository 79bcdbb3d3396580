-- Signing keys, encrypted: the table of Notary 0.7, which works on it as well, but with a character
-- set and a collation that keep all names apart.
CREATE TABLE IF NOT EXISTS private_keys (
    id INT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    -- Times are UTC.
    created_at TIMESTAMP NULL DEFAULT NULL,
    updated_at TIMESTAMP NULL DEFAULT NULL,
    -- Set: the key is deleted, and its key_id stays taken.
    deleted_at TIMESTAMP NULL DEFAULT NULL,
    -- 64 hex digits.
    key_id VARCHAR(255) NOT NULL,
    -- What the header of private says as well; never read.
    encryption_alg VARCHAR(255) NOT NULL,
    keywrap_alg VARCHAR(255) NOT NULL,
    -- ecdsa, ed25519 or rsa.
    algorithm VARCHAR(50) NOT NULL,
    -- Whose passphrase opens private.
    passphrase_alias VARCHAR(50) NOT NULL,
    public BLOB NOT NULL,
    -- The private key as JWE text.
    private BLOB NOT NULL,
    gun VARCHAR(255) NOT NULL,
    role VARCHAR(255) NOT NULL,
    -- NULL: pending, that is, handed out but never signed with.
    last_used DATETIME NULL DEFAULT NULL,
    UNIQUE KEY key_id (key_id),
    UNIQUE KEY key_id_2 (key_id, algorithm)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
