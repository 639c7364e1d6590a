//! MurmurHash3_x64_128, first 64 bits: the hash of iLogtail's file signatures. A hash for look-up,
//! not against an adversary. The algorithm is Austin Appleby's, in the public domain.

const C1: u64 = 0x87c3_7b91_1142_53d5;
const C2: u64 = 0x4cf5_ad43_2745_937f;

/// The first eight bytes of the hash, as a little-endian number.
pub(crate) fn murmur3_x64_128_low(data: &[u8], seed: u32) -> u64 {
    murmur3_x64_128(data, seed).0
}

fn murmur3_x64_128(data: &[u8], seed: u32) -> (u64, u64) {
    let (mut h1, mut h2) = (u64::from(seed), u64::from(seed));
    let mut blocks = data.chunks_exact(16);
    for block in &mut blocks {
        let (k1, k2) = halves(block);
        h1 = (h1 ^ mix_first(k1)).rotate_left(27).wrapping_add(h2);
        h1 = h1.wrapping_mul(5).wrapping_add(0x52dc_e729);
        h2 = (h2 ^ mix_second(k2)).rotate_left(31).wrapping_add(h1);
        h2 = h2.wrapping_mul(5).wrapping_add(0x3849_5ab5);
    }
    let (k1, k2) = halves(blocks.remainder());
    h1 ^= mix_first(k1) ^ data.len() as u64;
    h2 ^= mix_second(k2) ^ data.len() as u64;
    h1 = h1.wrapping_add(h2);
    h2 = h2.wrapping_add(h1);
    (h1, h2) = (finish(h1), finish(h2));
    h1 = h1.wrapping_add(h2);
    (h1, h2.wrapping_add(h1))
}

/// Up to 16 bytes as two little-endian numbers, missing ones as zero.
fn halves(bytes: &[u8]) -> (u64, u64) {
    let mut block = [0; 16];
    block[..bytes.len()].copy_from_slice(bytes);
    let both = u128::from_le_bytes(block);
    (both as u64, (both >> 64) as u64)
}

fn mix_first(k: u64) -> u64 {
    k.wrapping_mul(C1).rotate_left(31).wrapping_mul(C2)
}

fn mix_second(k: u64) -> u64 {
    k.wrapping_mul(C2).rotate_left(33).wrapping_mul(C1)
}

fn finish(mut h: u64) -> u64 {
    h = (h ^ (h >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    h = (h ^ (h >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    h ^ (h >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_verification_value_comes_out() {
        // SMHasher's self-test: hash the keys {}, {0}, {0,1}, ... with seed 256 - length, then
        // the hashes; the first four bytes of that are published for each algorithm.
        let key: Vec<u8> = (0..=255).collect();
        let mut hashes = Vec::new();
        for len in 0..256 {
            let (h1, h2) = murmur3_x64_128(&key[..len], 256 - len as u32);
            hashes.extend(h1.to_le_bytes());
            hashes.extend(h2.to_le_bytes());
        }
        assert_eq!(murmur3_x64_128(&hashes, 0).0 as u32, 0x6384_ba69);
    }

    #[test]
    fn known_texts_have_known_hashes() {
        assert_eq!(murmur3_x64_128(b"", 0), (0, 0));
        assert_eq!(murmur3_x64_128(b"hello", 0), (0xcbd8_a7b3_41bd_9b02, 0x5b1e_906a_48ae_1d19));
        let fox = b"The quick brown fox jumps over the lazy dog";
        assert_eq!(murmur3_x64_128_low(fox, 0), 0xe34b_bc7b_bc07_1b6c);
    }
}
