//! Layers unpacked for looking at them: by the decoders that runtimes use, and with bounded windows.

use std::io::{self, BufRead, Read};

use crate::oci::media_type::LayerCompression;

/// The window of a zstd frame, as a power of two: 32 MiB, four times what tools that make images use.
const WINDOW_LOG: u32 = 25;

/// The decompressed bytes of a layer.
///
/// # Errors
/// When there is no decoder.
pub(super) fn unpacked<'a>(
    packed: impl BufRead + 'a,
    compression: LayerCompression,
) -> io::Result<Box<dyn Read + 'a>> {
    Ok(match compression {
        LayerCompression::None => Box::new(packed),
        LayerCompression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(packed)),
        LayerCompression::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(packed)?;
            decoder.window_log_max(WINDOW_LOG)?;
            Box::new(decoder)
        }
    })
}
