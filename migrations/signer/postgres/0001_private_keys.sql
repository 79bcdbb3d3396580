-- Signing keys, encrypted: the table of Notary 0.7, which works on it as well.
CREATE TABLE IF NOT EXISTS private_keys (
    id SERIAL PRIMARY KEY,
    -- Times are UTC.
    created_at TIMESTAMP NULL,
    updated_at TIMESTAMP NULL,
    -- Set: the key is deleted, and its key_id stays taken.
    deleted_at TIMESTAMP NULL,
    -- 64 hex digits.
    key_id VARCHAR(255) NOT NULL,
    -- What the header of private says as well; never read.
    encryption_alg VARCHAR(255) NOT NULL,
    keywrap_alg VARCHAR(255) NOT NULL,
    -- ecdsa, ed25519 or rsa.
    algorithm VARCHAR(50) NOT NULL,
    -- Whose passphrase opens private.
    passphrase_alias VARCHAR(50) NOT NULL,
    public BYTEA NOT NULL,
    -- The private key as JWE text.
    private BYTEA NOT NULL,
    gun VARCHAR(255) NOT NULL,
    role VARCHAR(255) NOT NULL,
    -- NULL: pending, that is, handed out but never signed with.
    last_used TIMESTAMP NULL,
    CONSTRAINT key_id UNIQUE (key_id),
    CONSTRAINT key_id_2 UNIQUE (key_id, algorithm)
);
