"""Files at the edge: photos, masks, depth, point clouds, camera trajectories, videos.

Import from the modules (images, fitting, trajectories, depth_files, clouds, video): a user of one does not load the
libraries of the others. Every reader raises InvalidInput with one plain sentence.
"""
