#!/bin/sh
# init.sh: the first program of a guest that QEMU boots directly (package
# runners/vm). Busybox alone is there. The job comes as a tar on the first disk
# and its result goes as a tar to the second; the root file system that the build
# sees is named on the kernel's command line:
#
#   buildbtw.root=none     nothing but this
#   buildbtw.root=host     the build machine's own, read-only over virtiofs
#   buildbtw.root=disk     the third disk, started with its own init
#   buildbtw.probe         say that the guest has started, and end
#
# What a script prints goes through a pipe: on a terminal programs print colours
# and bars.
export PATH=/bin:/sbin:/usr/bin:/usr/sbin

busybox mkdir -p /proc /sys /dev /tmp /buildbtw/job /buildbtw/out
busybox mount -t proc proc /proc
busybox mount -t sysfs sys /sys
busybox mount -t devtmpfs dev /dev 2>/dev/null
busybox --install -s /bin

option() { # NAME: the value of a word of the command line
	for word in $(cat /proc/cmdline); do
		case $word in "$1"=*) echo "${word#*=}" ;; "$1") echo yes ;; esac
	done
}

end() {
	sync
	poweroff -f
}

die() {
	echo "buildbtw guest: $*"
	end
}

stty -onlcr -echo </dev/console 2>/dev/null
[ -z "$(option buildbtw.probe)" ] || die ready

for module in /modules/*.ko; do
	[ ! -e "$module" ] || insmod "$module" || echo "buildbtw guest: cannot load $module"
done
ln -s /proc/self/fd /dev/fd
mkdir -p /dev/shm /dev/pts && mount -t tmpfs tmpfs /dev/shm && mount -t devpts -o ptmxmode=666 devpts /dev/pts
ip link set lo up
ip link set eth0 up && ip addr add 10.0.2.15/24 dev eth0 && ip route add default via 10.0.2.2
echo nameserver 10.0.2.3 >/etc/resolv.conf

for try in 1 2 3 4 5 6 7 8 9 10; do [ -b /dev/vdb ] && break; sleep 1; done
tar -x -f /dev/vda -C /buildbtw/job || die "the job cannot be read"

deliver() {
	tar -c -f /dev/vdb -C /buildbtw/out . || die "the result cannot be written"
	end
}

case $(option buildbtw.root) in
none)
	echo "buildbtw guest: ready"
	cd /buildbtw/job && sh ./guest.sh 2>&1 </dev/null | cat
	deliver
	;;
host)
	mkdir -p /lower /writes /new
	mount -t virtiofs -o ro hostroot /lower || die "the build machine's root cannot be mounted"
	mount -t tmpfs -o size=90% tmpfs /writes && mkdir /writes/upper /writes/work
	mount -t overlay overlay -o lowerdir=/lower,upperdir=/writes/upper,workdir=/writes/work /new || die "no overlay"
	mount -t cgroup2 cgroup2 /sys/fs/cgroup # of containers
	for dir in proc sys dev; do mount -o rbind /$dir /new/$dir; done
	mount -t tmpfs tmpfs /new/tmp && chmod 1777 /new/tmp
	rm -f /new/etc/resolv.conf; cp /etc/resolv.conf /new/etc/resolv.conf
	mkdir -p /new/buildbtw && mount -o bind /buildbtw /new/buildbtw
	echo "buildbtw guest: ready"
	chroot /new /bin/bash -c 'cd /buildbtw/job && exec /bin/bash ./guest.sh' 2>&1 </dev/null | cat
	deliver
	;;
disk)
	mkdir -p /new
	part=$(option buildbtw.partition)
	mount -o rw /dev/vdc"$part" /new || die "partition ${part:-(none)} of the image cannot be mounted"
	mkdir -p /new/buildbtw/out /new/etc/systemd/system/multi-user.target.wants /new/etc/systemd/network
	cp -r /buildbtw/job /new/buildbtw/
	cat >/new/etc/systemd/system/buildbtw.service <<'U'
[Unit]
After=multi-user.target network.target
[Service]
Type=oneshot
WorkingDirectory=/buildbtw/job
Environment=HOME=/root
ExecStartPre=-/bin/sh -c 'stty -onlcr -echo </dev/console; echo "buildbtw guest: ready" >/dev/console'
ExecStart=/bin/bash -c '/bin/bash /buildbtw/job/guest.sh 2>&1 </dev/null | cat >/dev/console'
ExecStopPost=/bin/sh -c 'tar -c -f /dev/vdb -C /buildbtw/out . ; sync; systemctl poweroff --force --force'
U
	ln -sf ../buildbtw.service /new/etc/systemd/system/multi-user.target.wants/
	cat >/new/etc/systemd/network/00-buildbtw.network <<'N'
[Match]
Type=ether
[Network]
KeepConfiguration=yes
N
	rm -f /new/etc/resolv.conf; cp /etc/resolv.conf /new/etc/resolv.conf
	umount /sys
	mount -o move /dev /new/dev && mount -o move /proc /new/proc
	exec switch_root /new /sbin/init
	;;
esac
die "unknown buildbtw.root"
