"""CRC-32C, the checksum of TFRecord files, of many pieces of bytes side by side in NumPy."""

import numpy as np

_MASK_DELTA = 0xA282EAD8
_POLYNOMIAL = 0x82F63B78  # Castagnoli, bits reversed


def masked_crcs(contents: list[bytes]) -> np.ndarray:
    """The masked CRC-32C that TFRecord keeps of each content, uint32."""
    lengths = np.array([len(content) for content in contents], np.int64)
    starts = np.cumsum(lengths) - lengths
    return masked_crcs_within(np.frombuffer(b"".join(contents), np.uint8), starts, lengths)


def _tables() -> np.ndarray:
    """Tables of CRC-32C for eight bytes at once ("slicing by 8"), uint32 `(8, 256)`."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(_POLYNOMIAL), table >> 1)
    tables = [table]
    for _ in range(7):
        tables.append(table[tables[-1] & 255] ^ (tables[-1] >> 8))
    return np.stack(tables).astype(np.uint32)


_TABLES = _tables()


def masked_crcs_within(data: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Masked CRC-32C of many pieces of one array, side by side; the longest go first."""
    order = np.argsort(-lengths, kind="stable")
    begins, sizes = starts[order], lengths[order]
    crcs = np.full(len(order), 0xFFFFFFFF, np.uint32)
    words = sizes // 8
    if len(order) and words[0]:
        eights = np.lib.stride_tricks.sliding_window_view(data, 8)
        for number in range(int(words[0])):
            count = int(np.searchsorted(-words, -number, side="left"))
            block = eights[begins[:count] + 8 * number].copy().view("<u4")
            low, high = block[:, 0] ^ crcs[:count], block[:, 1]
            crc = _TABLES[7][low & 255] ^ _TABLES[3][high & 255]
            for byte in (1, 2, 3):
                crc ^= _TABLES[7 - byte][(low >> (8 * byte)) & 255]
                crc ^= _TABLES[3 - byte][(high >> (8 * byte)) & 255]
            crcs[:count] = crc
    for number in range(7):
        here = np.flatnonzero(sizes - 8 * words > number)
        byte = data[begins[here] + 8 * words[here] + number]
        crcs[here] = _TABLES[0][(crcs[here] ^ byte) & 255] ^ (crcs[here] >> 8)
    result = np.empty_like(crcs)
    result[order] = ~crcs
    return ((result >> 15) | (result << 17)) + np.uint32(_MASK_DELTA)
