//! The story, one file a chapter. Each step says what should be, looks, and fails loudly where it is not so.

mod doors;
mod figures;
mod image;
mod opening;
mod recall;
mod recognition;
mod silence;

use std::io;

use crate::app::demo::links::World;
use crate::app::demo::tell::Teller;

/// Tells the whole story.
///
/// # Errors
/// When nothing can be written any more; steps that fail are counted by the teller.
pub async fn tell(world: &World, teller: &mut Teller<'_>) -> io::Result<()> {
    opening::tell(world, teller).await?;
    recognition::tell(world, teller).await?;
    silence::tell(world, teller).await?;
    image::tell(world, teller).await?;
    recall::tell(world, teller).await?;
    doors::tell(world, teller).await?;
    figures::tell(world, teller).await
}
